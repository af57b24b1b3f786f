	.text
	.globl start
start:
	movl $1, %eax
	ret
