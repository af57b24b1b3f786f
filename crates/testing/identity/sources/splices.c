#include "com\
mon.h"
#define LONG(a, \
             b) a + \
    b
int sp\
liced(int a) { int unu\
sed; ret\
urn LONG(a, "x"); } // comment \
still comment
int after_splice(int b) { return LONG(b,
   b * "x"[0]); }
/\
* odd *\
/ int last;
