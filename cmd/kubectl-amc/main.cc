#include "app/amc/amc.h"

int main(int argc, char** argv) { return aviary::amc::run(argc, argv); }
