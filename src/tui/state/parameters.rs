//! The tree of a model's parameters by module, with what trains in each.

use std::collections::BTreeSet;

use crate::{
    model::{Inventory, Method, ModelConfig, ParamSpec, specs},
    tui::input::action::Move,
};

/// Bytes of AdamW's two moments for a trainable scalar, in float32.
pub const MOMENT_BYTES: u64 = 8;

/// A module or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Dotted path.
    pub path: String,
    /// The path's last part.
    pub name: String,
    /// Modules around it.
    pub depth: usize,
    /// Scalars.
    pub total: u64,
    /// Scalars that train.
    pub trains: u64,
    /// Shape, for a parameter.
    pub shape: Option<Vec<usize>>,
    /// Nodes below it, at any depth: they follow it in the list.
    pub below: usize,
}

/// Every module and parameter, each before its contents.
fn tree(specs: &[ParamSpec]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    // Open modules while the list is built: positions of the path's parts so far.
    let mut around: Vec<usize> = Vec::new();
    for spec in specs {
        let parts: Vec<&str> = spec.name.split('.').collect();
        let count = spec.count() as u64;
        let trains = if spec.trains { count } else { 0 };
        let common = around.iter().zip(&parts).take_while(|(node, part)| nodes[**node].name == **part).count();
        around.truncate(common.min(parts.len() - 1));
        for depth in around.len()..parts.len() {
            let is_leaf = depth + 1 == parts.len();
            for parent in &around {
                nodes[*parent].below += 1;
            }
            nodes.push(Node {
                path: parts[..=depth].join("."),
                name: parts[depth].to_owned(),
                depth,
                total: 0,
                trains: 0,
                shape: is_leaf.then(|| spec.shape.clone()),
                below: 0,
            });
            around.push(nodes.len() - 1);
        }
        for node in &around {
            nodes[*node].total += count;
            nodes[*node].trains += trains;
        }
    }
    nodes
}

/// One method's counts for the model on show.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodCount {
    /// The method.
    pub method: Method,
    /// Scalars in all.
    pub total: u64,
    /// Scalars that train.
    pub trains: u64,
}

/// The Parameters screen.
#[derive(Clone, Debug)]
pub struct Parameters {
    shape: ModelConfig,
    method: Method,
    nodes: Vec<Node>,
    open: BTreeSet<String>,
    cursor: usize,
    /// Every method on this model, in list order.
    pub methods: Vec<MethodCount>,
    /// What AAT trains on AST-base with the 20 classes of OpenMIC: the paper's 7.118 M.
    pub preset: u64,
}

impl Parameters {
    /// The tree of a model.
    pub fn new(shape: ModelConfig, method: Method) -> Self {
        let preset = ModelConfig::ast("base", 1024, [10, 10], 20)
            .map_or(0, |openmic| Inventory::of(&specs(&openmic, Method::aat())).trainable as u64);
        let mut new = Self {
            shape,
            method,
            nodes: Vec::new(),
            open: BTreeSet::from(["blocks".to_owned()]),
            cursor: 0,
            methods: Vec::new(),
            preset,
        };
        new.count();
        new
    }

    /// The model's shape.
    pub fn shape(&self) -> &ModelConfig {
        &self.shape
    }

    /// The method on show.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Shows another model or method; open modules stay open, the cursor stays on its row.
    pub fn show(&mut self, shape: ModelConfig, method: Method) {
        if shape == self.shape && method == self.method {
            return;
        }
        let at = self.rows().nth(self.cursor).map(|node| node.path.clone());
        (self.shape, self.method) = (shape, method);
        self.count();
        let rows = self.rows().count();
        let same = at.and_then(|path| self.rows().position(|node| node.path == path));
        self.cursor = same.unwrap_or(self.cursor).min(rows.saturating_sub(1));
    }

    fn count(&mut self) {
        self.nodes = tree(&specs(&self.shape, self.method));
        self.methods = Method::all()
            .map(|method| {
                let inventory = Inventory::of(&specs(&self.shape, method));
                MethodCount { method, total: inventory.total as u64, trains: inventory.trainable as u64 }
            })
            .collect();
    }

    /// Scalars in all and scalars that train.
    pub fn totals(&self) -> (u64, u64) {
        let top = self.nodes.iter().filter(|node| node.depth == 0);
        top.fold((0, 0), |(total, trains), node| (total + node.total, trains + node.trains))
    }

    /// The visible rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Node> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let node = self.nodes.get(next)?;
            next += if self.is_open(node) { 1 } else { 1 + node.below };
            Some(node)
        })
    }

    /// Whether a module is open.
    pub fn is_open(&self, node: &Node) -> bool {
        self.open.contains(&node.path)
    }

    /// The row under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Opens or closes the module under the cursor.
    pub fn toggle(&mut self) {
        let module = self.rows().nth(self.cursor).filter(|node| node.below > 0).map(|node| node.path.clone());
        if let Some(path) = module
            && !self.open.remove(&path)
        {
            self.open.insert(path);
        }
    }

    /// Moves the cursor; right opens a module, left closes it or goes to its parent.
    pub fn go(&mut self, to: Move, page: usize) {
        let rows = self.rows().count();
        let Some(node) = self.rows().nth(self.cursor).cloned() else { return };
        let last = rows.saturating_sub(1);
        self.cursor = match to {
            Move::Right if node.below > 0 && !self.is_open(&node) => {
                self.open.insert(node.path);
                self.cursor
            }
            Move::Right => (self.cursor + 1).min(last),
            Move::Left if self.open.remove(&node.path) => self.cursor,
            Move::Left => {
                let around = node.path.rsplit_once('.').map(|(path, _)| path.to_owned());
                around.and_then(|path| self.rows().position(|row| row.path == path)).unwrap_or(self.cursor)
            }
            to => to.row(self.cursor, last, page),
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn base(classes: usize) -> ModelConfig {
        ModelConfig::ast("base", 1024, [10, 10], classes).unwrap()
    }

    #[test]
    fn the_tree_adds_up_to_the_inventory_of_every_method() {
        for method in Method::all() {
            let parameters = Parameters::new(base(20), method);
            let inventory = Inventory::of(&specs(&base(20), method));
            assert_eq!(parameters.totals(), (inventory.total as u64, inventory.trainable as u64), "{method}");
            for (i, node) in parameters.nodes.iter().enumerate().filter(|(_, node)| node.below > 0) {
                let held = &parameters.nodes[i + 1..=i + node.below];
                let leaves: u64 = held.iter().filter(|n| n.shape.is_some()).map(|n| n.total).sum();
                assert_eq!(leaves, node.total, "{}", node.path);
            }
        }
    }

    #[test]
    fn the_papers_figure_is_counted_not_hard_coded() {
        assert_eq!(Parameters::new(base(20), Method::aat()).preset, 7_117_844);
    }

    #[test]
    fn branches_open_close_and_survive_another_method() {
        let mut parameters = Parameters::new(base(10), Method::aat());
        let opened = parameters.rows().count();
        let blocks = parameters.rows().position(|node| node.path == "blocks").unwrap();
        (0..blocks).for_each(|_| parameters.go(Move::Down, 10));
        parameters.go(Move::Left, 10);
        assert_eq!(parameters.rows().count(), opened - 12);
        parameters.go(Move::Right, 10);
        assert_eq!(parameters.rows().count(), opened);
        parameters.go(Move::Right, 10);
        assert_eq!(parameters.rows().nth(parameters.cursor()).unwrap().path, "blocks.0");
        parameters.show(base(10), Method::full());
        assert_eq!(parameters.rows().nth(parameters.cursor()).unwrap().path, "blocks.0");
        parameters.go(Move::Left, 10);
        parameters.go(Move::Left, 10);
        assert_eq!(parameters.rows().count(), opened - 12);
    }
}
