// Takes the segment away that main.cpp made, for the tests.
#include <forklore/forklore.hpp>

int main() { return forklore::remove_segment("readme") ? 0 : 1; }
