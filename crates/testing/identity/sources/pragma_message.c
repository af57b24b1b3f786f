#define NOTE(x) _Pragma(#x)
#pragma message("compiled with care")
NOTE(message "from a macro")
#pragma nothing_known here
#pragma GCC warning "a warning by pragma"
int x;
