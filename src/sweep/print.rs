//! One command line for each task, for any engine that runs command lines.

use super::{Plan, Standing, State, Task};
use crate::shell::quoted;

/// A line for each task that is not finished: it claims the task, trains or resumes it, and ends with 0 when its session is
/// finished. The comment at its end describes the task.
pub fn lines(plan: &Plan, standings: &[Standing], program: &str) -> Vec<String> {
    let line = |task: &Task| {
        let file = plan.file.path.display().to_string();
        format!("{} sweep task {} {}  # {}", quoted(program), quoted(&file), task.id, remark(&plan.described(task)))
    };
    let open = |task: &&Task| standings.get(task.index).is_none_or(|standing| standing.state != State::Done);
    plan.tasks.iter().filter(open).map(line).collect()
}

/// A text in one line.
fn remark(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_for_each_task_that_is_not_done() {
        let (plan, standings) = super::super::results::testing::table();
        let lines = lines(&plan, &standings, "aat-tui");
        let task = &plan.tasks[7];
        let file = plan.file.path.display();
        assert_eq!(lines, [format!("aat-tui sweep task {file} {}  # method aat, fold 2, seed 2", task.id)]);
    }
}
