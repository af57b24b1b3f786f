#define ALWAYS 1
#define SELF(x) ((x) == (x))
int t(unsigned a, char c)
{
    if (a >= 0 && ALWAYS) a++;
    if (SELF(a) || a != a) a--;
    if (c > 200 || (a | 1) == 0) a += 2;
    if (a == 1 && a == 2) ;
    while (ALWAYS && a) a -= a;
    return a && "text" && !a == 3;
}
