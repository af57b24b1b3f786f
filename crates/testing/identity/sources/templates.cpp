#include <algorithm>
#include <map>
#include <string>
#include <vector>
struct Odd { int x; };
int main()
{
    std::map<std::string, std::vector<Odd>> all;
    std::sort(all.begin(), all.end());
    std::vector<int> numbers = "text";
    return all[1] + numbers;
}
