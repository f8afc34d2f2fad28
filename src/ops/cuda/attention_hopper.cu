// The same attention with the products of Hopper's warp groups, which exist for that generation alone (sm_90a).
#define HOPPER
#include "attention.cu"
