int add(int a, int b)
{
    int c;
    __asm__ volatile("addl %2, %1\n\tmovl %1, %0" : "=r"(c), "+r"(a) : "r"(b) : "cc");
    return c;
}
__asm__(".globl from_asm\nfrom_asm:\n\t.long 1 # comment\n");
