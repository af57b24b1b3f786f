/* Read by most files here: macros that warn where they are used, and a warning of its own. */
#ifndef COMMON_H
#define COMMON_H
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define SET(x, y) do { int unused_in_macro; (x) = (y); } while (0)
#define NAME(a, b) a##b
#define TEXT(x) #x
#define TWICE(x) (x) + (x)
#ifndef LEVEL
#define LEVEL 1
#endif
static int never_called(int value) { return value / LEVEL; }
#endif
