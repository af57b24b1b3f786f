#include <stdio.h>
#include <string.h>
#include "common.h"

struct pair { int left; double right; const char *name; };

static int sum(const struct pair *pairs, int n)
{
    int total = 0;
    for (int i = 0; i < n; i++)
        total += pairs[i].left * (int)pairs[i].right + MAX(i, 3);
    return total;
}

int show(struct pair *pairs, int n)
{
    printf("%d %s\n", sum(pairs, n), n ? pairs[0].name : "none");
    return (int)strlen("abc") + TWICE(n);
}
