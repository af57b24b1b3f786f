const char *raw = R"(line one
#include "not included"
/* no comment */ // none
"quoted" \n ??= )";
const char *other = R"x(a
)y" )x";
#define WRAP(x) x
const char *inside = WRAP(R"(in a
macro)");
const char *eight = (const char *)u8R"(Grüße)";
int after = "error";
