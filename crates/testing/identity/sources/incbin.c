__asm__(".section .rodata\n.globl data\ndata:\n.incbin \"common.h\"\n.previous\n");
