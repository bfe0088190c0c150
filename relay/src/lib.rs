//! The relay: one program, its parts, the one direction in which they know each other. (The map grows with the tree.)

pub mod clock;
