//! Instructions for one operation.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Instructions for one operation, to a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count {
    pub(crate) tenths: u64,
}

impl Count {
    /// From all instructions of so many operations, rounded; `None` if there are no operations.
    pub(crate) fn new(instructions: u64, operations: u64) -> Option<Self> {
        let tenths = (instructions * 10 + operations / 2).checked_div(operations)?;
        Some(Self { tenths })
    }

    /// The change in percent, rounded; `None` if there were no instructions before.
    pub(crate) fn change_from(self, before: Self) -> Option<String> {
        let sign = match self.cmp(&before) {
            Ordering::Less => "-",
            Ordering::Equal => "",
            Ordering::Greater => "+",
        };
        let change = self.tenths.abs_diff(before.tenths);
        let permille = (change * 1000 + before.tenths / 2).checked_div(before.tenths)?;
        Some(format!("{sign}{}.{} %", permille / 10, permille % 10))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.tenths / 10, self.tenths % 10))
    }
}

impl FromStr for Count {
    type Err = &'static str;

    /// Reads what is written: one digit after the point.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a count is a number with one digit after the point";
        let (whole, tenth) = text.split_once('.').ok_or(WRONG)?;
        let whole = whole.parse::<u64>().map_err(|_| WRONG)?;
        let tenth = tenth.chars().next().filter(|_| tenth.len() == 1).ok_or(WRONG)?;
        let tenth = u64::from(tenth.to_digit(10).ok_or(WRONG)?);
        let tenths = whole.checked_mul(10).and_then(|whole| whole.checked_add(tenth));
        Ok(Self { tenths: tenths.ok_or(WRONG)? })
    }
}
