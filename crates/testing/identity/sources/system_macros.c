#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
int f(char *text, ...)
{
    va_list words;
    va_start(words, text);
    assert(text = NULL);
    int x = NULL;
    long long big = INT_MAX + 1;
    if (errno == NULL || isdigit(text)) return offsetof(struct { int a; }, a);
    unsigned char c = EOF;
    return va_arg(words, char) + (int)big + x + (c == EOF) + (text == 'a');
}
