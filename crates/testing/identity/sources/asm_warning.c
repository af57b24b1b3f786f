__asm__(".section .text\n.warning \"said by the assembler\"\n");
int f(int a) { int unused; return a; }
