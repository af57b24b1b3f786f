#include "common.h"
#include "sub/broken.h"
int x = 1;
