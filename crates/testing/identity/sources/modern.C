#include <optional>
#include <string_view>
#include <utility>
inline int global = 1'000'000;
[[nodiscard]] int must();
[[deprecated("really")]] int old();
template <class... T> int sum(T... values) { return (values + ... + 0); }
int f(std::string_view text) { must(); auto [a, b] = std::pair(old(), 2); if constexpr (sizeof(int) == 4) return sum(a, b, int(text.size())); }
int operator""_km(unsigned long long n) { return n; }
int distance = 3_km;
struct [[maybe_unused]] S { int x{}; bool operator==(const S &) const; };
int digraphs(int a<::>) <% return a<:0:> and not a<:1:>; %>
