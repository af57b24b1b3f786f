#include <source_location>
const char *who(std::source_location where = std::source_location::current()) { return where.function_name(); }
const char *call() { return who(); }
