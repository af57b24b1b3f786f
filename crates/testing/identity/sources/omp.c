int reduce(int *a, int n)
{
    int sum = 0;
#pragma omp parallel for reduction(+ : sum) schedule(static)
    for (int i = 0; i < n; i++) sum += a[i];
#pragma omp simd
    for (int i = 0; i < n; i++) a[i] *= 2;
    return sum;
}
