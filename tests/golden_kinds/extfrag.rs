//! The fragmentation indices against `extfrag*.txt`.

use page_alloc::zone::fragmentation::{
    extfrag_for_order, fragmentation_index, unusable_free_index,
};
use page_alloc::{MAX_ORDER, Order};

/// Compares every line of one file; gives the number of lines.
pub(crate) fn run(name: &str, text: &str) -> Result<u64, String> {
    let mut compared = 0;
    for (number, line) in text.lines().enumerate() {
        if !line.is_empty() && !line.starts_with('#') {
            check(line).map_err(|error| format!("{name}:{}: {error}", number + 1))?;
            compared += 1;
        }
    }
    Ok(compared)
}

fn check(line: &str) -> Result<(), String> {
    let (nr_free, expected) = line.split_once(" = ").ok_or("no ` = `")?;
    let nr_free: [u64; MAX_ORDER] = array(nr_free)?;
    let columns: Vec<&str> = expected.split(" | ").collect();
    let [unusable, fragmentation, extfrag] = columns[..] else {
        return Err(format!("three columns wanted: {expected}"));
    };
    same("unusable_free_index", &array(unusable)?, |o| unusable_free_index(&nr_free, o))?;
    same("fragmentation_index", &array(fragmentation)?, |o| fragmentation_index(&nr_free, o))?;
    same("extfrag_for_order", &array(extfrag)?, |o| extfrag_for_order(&nr_free, o))
}

/// One number for each order.
fn array<T: std::str::FromStr>(text: &str) -> Result<[T; MAX_ORDER], String> {
    let numbers: Result<Vec<T>, _> = text.split(' ').map(str::parse).collect();
    let numbers = numbers.map_err(|_| format!("not numbers: {text}"))?;
    numbers.try_into().map_err(|_| format!("{MAX_ORDER} numbers wanted: {text}"))
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &[T; MAX_ORDER],
    index: impl Fn(Order) -> T,
) -> Result<(), String> {
    let found = Order::ALL.map(index);
    if found == *expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}
