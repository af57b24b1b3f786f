#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "common.h"
class Shape { public: virtual ~Shape() = default; virtual double area() const = 0; };
class Square : public Shape { double side; public: explicit Square(double s) : side(s) {} double area() const { return side * side; } };
static std::map<std::string, std::unique_ptr<Shape>> shapes;
double total(const std::vector<std::string> &names)
{
    double sum = 0;
    for (int i = 0; i < names.size(); i++)
        try { sum += shapes.at(names[i])->area(); } catch (const std::exception &error) { std::cerr << error.what(); }
    shapes["x"].reset(new Square(MAX(sum, 1.0)));
    return sum;
}
