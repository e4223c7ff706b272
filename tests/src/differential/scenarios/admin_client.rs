//! The calls of Java's admin client, which `tests/java/AdminCalls.java` makes.

use crate::differential::Observer;
use crate::kafka::java_with_tools;

pub(super) fn play(observer: &mut Observer) {
    observer.note_program(&mut java_with_tools("AdminCalls"), "");
}
