static int deeper(int a, unsigned b) { return a < b; }
#warning deep down
