//! A planted defect for each invariant, and that it is found.
