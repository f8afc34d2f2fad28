//! What a person asks for: actions, the keys they are bound to, and the command line.

pub mod action;
pub mod bindings;
pub mod choice;
pub mod commands;
pub mod completion;
pub mod keymap;
pub mod keys;
pub mod pointer;
