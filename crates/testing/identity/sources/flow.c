#include <stdlib.h>
#include <string.h>
#include <stdio.h>
int flow(int n)
{
    int maybe, buffer[4];
    if (n > 2) maybe = 3;
    for (int i = 0; i <= 4; i++) buffer[i] = i;
    char small[4];
    strcpy(small, "too long for it");
    sprintf(small, "%d%d", n, n);
    char *p = malloc(3);
    free(p);
    return maybe + buffer[5] + p[0] + *(int *)0;
}
int forever(int n) { return forever(n + 1); }
int shifts(int n) { return n << 33 | n / 0 | (n == 1 == 2); }
