#include "common.h"
#include <no/such/header.h>
int x = MAX(1, 2);
