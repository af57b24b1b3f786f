int byte_order_mark = 1; // ä
int ärger(void) { return byte_order_mark; }
int unused_ö(int ü) { int é; return "€"[0]; }
