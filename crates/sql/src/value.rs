//! Values.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
}
