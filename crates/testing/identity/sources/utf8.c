#include <wchar.h>
const char *greeting = "Grüße, 世界 🌍";
const wchar_t *wide = L"Grüße, 世界 🌍";
int größe(int länge) { int unbenutzt; return länge * "ü"[0]; }
/* bidirectional: ‮ */
