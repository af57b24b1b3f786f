#define ONE 1 // comment
	.text
	.globl works
works:	movl $ONE, %eax
	ret
	.section .note.GNU-stack,"",@progbits
