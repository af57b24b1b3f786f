#define A(x) x, x, x, x, x, x, x, x, x, x
#define B(x) A(A(x))
int table[] = { B(B(1)), B("x") };
