int f(void) { __asm__ volatile("bogus %eax, %ebx"); return 0; }
