//! Seven days, to the millisecond: the library in this process, with a clock that the test sets.
