#include <stdio.h>
int main(int argc, char **argv)
{
    printf("%d %s\n", argc, argv[0]);
    return argc > 3 ? 3 : 0;
}
