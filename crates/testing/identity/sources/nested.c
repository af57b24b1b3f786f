int outer(int n)
{
    int inner(int m) { return m + n; }
    typeof(n) copy = ({ int t = n; t + 1; });
    static void *labels[] = { &&one, &&two };
    goto *labels[n & 1];
one: return inner(copy);
two: return n ?: 0b101;
}
int range(int n) { switch (n) { case 1 ... 5: return 1; } return 0; }
