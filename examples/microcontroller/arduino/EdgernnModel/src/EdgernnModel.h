/* The model of this library; motion-int8.c and motion-int8.h of an export belong beside this file. */
#include "motion-int8.h"
