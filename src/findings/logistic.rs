//! Logistic regression with a quadratic penalty on its weights: softmax over classes that exclude one another, or a sigmoid
//! for each class. No randomness and one thread, so the same rows always give the same weights.

use std::collections::VecDeque;

use nalgebra::{DMatrix, DVector};

use crate::data::Loss;

/// Steps of the optimiser at most; it usually ends before.
const STEPS: usize = 200;
/// Pairs of steps and changes of the gradient that it remembers.
const MEMORY: usize = 8;
/// It ends where no derivative of the mean loss is greater.
const TOLERANCE: f64 = 1e-5;

/// The penalty on the sum of squared weights of standardised columns: `penalty / 2 |W|^2` beside the summed loss, the
/// inverse of scikit-learn's `C`. The bias is not penalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Penalty(pub f64);

impl Default for Penalty {
    fn default() -> Self {
        Self(100.0)
    }
}

/// A fitted regression.
pub struct Logistic {
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// (width, classes).
    weights: DMatrix<f64>,
    bias: DVector<f64>,
}

/// Rows of a table, and what they should be answered with.
struct Problem {
    /// (rows, width) and its transpose.
    x: DMatrix<f64>,
    across: DMatrix<f64>,
    /// (rows, classes); `NaN` is unknown.
    targets: DMatrix<f64>,
    loss: Loss,
    penalty: f64,
}

impl Logistic {
    /// Fits to rows (rows, width) with targets (rows, classes): 1, 0, or `NaN` for what is not known. With softmax only rows
    /// with a known class count.
    pub fn fit(rows: &[f32], width: usize, targets: &[f32], classes: usize, loss: Loss, penalty: Penalty) -> Self {
        let (width, classes) = (width.max(1), classes.max(1));
        let count = rows.len() / width;
        let is_useful = |row: &usize| {
            let own = &targets[row * classes..(row + 1) * classes];
            loss == Loss::Binary || own.iter().any(|target| *target > 0.5)
        };
        let kept: Vec<usize> = (0..count).filter(is_useful).collect();
        let n = kept.len().max(1) as f64;
        let column = |column: usize| kept.iter().map(move |row| f64::from(rows[row * width + column]));
        let mean: Vec<f64> = (0..width).map(|i| column(i).sum::<f64>() / n).collect();
        let deviation = |i: usize| (column(i).map(|value| (value - mean[i]).powi(2)).sum::<f64>() / n).sqrt();
        let scale: Vec<f64> = (0..width).map(|i| 1.0 / deviation(i).max(1e-9)).collect();
        let x =
            DMatrix::from_fn(kept.len(), width, |row, i| (f64::from(rows[kept[row] * width + i]) - mean[i]) * scale[i]);
        let own = DMatrix::from_fn(kept.len(), classes, |row, class| {
            let target = f64::from(targets[kept[row] * classes + class]);
            // Of a clip with exactly one class, what is not known to be it is not it.
            if loss == Loss::CrossEntropy && target.is_nan() { 0.0 } else { target }
        });
        let problem = Problem { across: x.transpose(), x, targets: own, loss, penalty: penalty.0 };
        let (weights, bias) = problem.solve();
        Self { mean, scale, weights, bias }
    }

    /// Logits (rows, classes) of rows (rows, width).
    pub fn logits(&self, rows: &[f32]) -> Vec<f32> {
        let width = self.mean.len();
        let x = DMatrix::from_fn(rows.len() / width, width, |row, i| {
            (f64::from(rows[row * width + i]) - self.mean[i]) * self.scale[i]
        });
        let logits = &x * &self.weights;
        let row = |row: usize| (0..self.bias.len()).map(move |class| (row, class));
        (0..x.nrows()).flat_map(row).map(|(row, class)| (logits[(row, class)] + self.bias[class]) as f32).collect()
    }
}

impl Problem {
    /// Loss and derivatives by weights and bias, each divided by the number of rows.
    fn at(&self, point: &Point) -> (f64, Point) {
        let rows = self.x.nrows().max(1) as f64;
        let mut residual = &self.x * &point.weights;
        let mut cost = 0.0;
        for row in 0..self.x.nrows() {
            let classes = self.targets.ncols();
            let logits: Vec<f64> = (0..classes).map(|class| residual[(row, class)] + point.bias[class]).collect();
            match self.loss {
                Loss::CrossEntropy => {
                    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let total: f64 = logits.iter().map(|x| (x - top).exp()).sum();
                    let mass: f64 = (0..classes).map(|class| self.targets[(row, class)]).sum();
                    for (class, x) in logits.iter().enumerate() {
                        let target = self.targets[(row, class)];
                        cost -= target * (x - top - total.ln());
                        residual[(row, class)] = mass * (x - top).exp() / total - target;
                    }
                }
                Loss::Binary => {
                    for (class, x) in logits.iter().enumerate() {
                        let target = self.targets[(row, class)];
                        residual[(row, class)] = if target.is_nan() {
                            0.0
                        } else {
                            cost += x.max(0.0) - x * target + (-x.abs()).exp().ln_1p();
                            1.0 / (1.0 + (-x).exp()) - target
                        };
                    }
                }
            }
        }
        let norm = point.weights.norm_squared();
        let mut weights = &self.across * &residual;
        weights += &point.weights * self.penalty;
        let bias = DVector::from_iterator(residual.ncols(), residual.column_iter().map(|column| column.sum()));
        let gradient = Point { weights: weights / rows, bias: bias / rows };
        ((cost + self.penalty / 2.0 * norm) / rows, gradient)
    }

    /// The least loss by L-BFGS (Nocedal and Wright, 2006, algorithm 7.5) with a step that is halved until the loss falls
    /// enough (Armijo).
    fn solve(&self) -> (DMatrix<f64>, DVector<f64>) {
        let (width, classes) = (self.x.ncols(), self.targets.ncols());
        let mut at = Point { weights: DMatrix::zeros(width, classes), bias: DVector::zeros(classes) };
        let (mut cost, mut gradient) = self.at(&at);
        let mut memory: VecDeque<(Point, Point, f64)> = VecDeque::new();
        for _ in 0..STEPS {
            if gradient.greatest() < TOLERANCE {
                break;
            }
            let mut direction = gradient.scaled(-1.0);
            let mut shares = Vec::with_capacity(memory.len());
            for (step, change, inverse) in memory.iter().rev() {
                let share = inverse * step.dot(&direction);
                direction.add(change, -share);
                shares.push(share);
            }
            if let Some((step, change, _)) = memory.back() {
                direction = direction.scaled(step.dot(change) / change.dot(change).max(1e-300));
            }
            for ((step, change, inverse), share) in memory.iter().zip(shares.into_iter().rev()) {
                direction.add(step, share - inverse * change.dot(&direction));
            }
            let slope = direction.dot(&gradient);
            if slope >= 0.0 {
                break;
            }
            let tried = (0..30).map(|n| 0.5f64.powi(n)).find_map(|length| {
                let mut next = at.clone();
                next.add(&direction, length);
                let (lower, derivative) = self.at(&next);
                (lower <= cost + 1e-4 * length * slope).then_some((next, lower, derivative))
            });
            let Some((next, lower, derivative)) = tried else { break };
            let (mut step, mut change) = (next.clone(), derivative.clone());
            step.add(&at, -1.0);
            change.add(&gradient, -1.0);
            let product = step.dot(&change);
            if product > 1e-300 {
                if memory.len() == MEMORY {
                    memory.pop_front();
                }
                memory.push_back((step, change, 1.0 / product));
            }
            (at, cost, gradient) = (next, lower, derivative);
        }
        (at.weights, at.bias)
    }
}

/// Weights and bias.
#[derive(Clone)]
struct Point {
    weights: DMatrix<f64>,
    bias: DVector<f64>,
}

impl Point {
    fn dot(&self, other: &Self) -> f64 {
        self.weights.dot(&other.weights) + self.bias.dot(&other.bias)
    }

    fn add(&mut self, other: &Self, share: f64) {
        self.weights.zip_apply(&other.weights, |value, other| *value += share * other);
        self.bias.zip_apply(&other.bias, |value, other| *value += share * other);
    }

    fn scaled(&self, factor: f64) -> Self {
        Self { weights: &self.weights * factor, bias: &self.bias * factor }
    }

    fn greatest(&self) -> f64 {
        self.weights.iter().chain(self.bias.iter()).fold(0.0, |most, value| value.abs().max(most))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{infer, random::KeyedRng, train::top};

    /// Points around three centres.
    fn clouds(rows: usize, seed: u64) -> (Vec<f32>, Vec<usize>) {
        let mut rng = KeyedRng::of_seed(seed);
        let centres = [[2.0, 0.0], [-1.0, 2.0], [-1.0, -2.0]];
        let (mut table, mut classes) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let class = row % 3;
            // A third column of another scale says nothing.
            table.extend([centres[class][0] + rng.normal(), centres[class][1] + rng.normal(), 1e4 * rng.normal()]);
            classes.push(class);
        }
        (table, classes)
    }

    fn one_hot(classes: &[usize]) -> Vec<f32> {
        classes.iter().flat_map(|class| (0..3).map(move |other| f32::from(u8::from(other == *class)))).collect()
    }

    #[test]
    fn clouds_are_separated_and_probabilities_are_not_too_sure() {
        let (rows, classes) = clouds(300, 1);
        let head = Logistic::fit(&rows, 3, &one_hot(&classes), 3, Loss::CrossEntropy, Penalty(1.0));
        let (rows, classes) = clouds(300, 2);
        let logits = head.logits(&rows);
        let right = logits.chunks(3).zip(&classes).filter(|(logits, class)| top(logits) == Some(**class)).count();
        assert!(right > 260, "{right}");
        // Its optimum: no derivative is left. A heavier penalty makes smaller logits.
        let heavy = Logistic::fit(&rows, 3, &one_hot(&classes), 3, Loss::CrossEntropy, Penalty(1e4)).logits(&rows);
        let size = |logits: &[f32]| logits.iter().map(|x| x.abs()).sum::<f32>();
        assert!(size(&heavy) < size(&logits) / 3.0);
    }

    #[test]
    fn probabilities_are_scikit_learns() {
        // scikit-learn 1.9.1: LogisticRegression(C=0.5, tol=1e-12).fit(StandardScaler().fit_transform(x), y).predict_proba.
        const THEIRS: [[f32; 3]; 6] = [
            [0.6074778, 0.3013712, 0.091151],
            [0.6102527, 0.2840992, 0.1056481],
            [0.413409, 0.368359, 0.218232],
            [0.1652277, 0.4024168, 0.4323555],
            [0.158614, 0.3625131, 0.478873],
            [0.0450188, 0.2812407, 0.6737404],
        ];
        let rows = [0.0f32, 1.0, 1.0, 0.0, 2.0, 1.0, 3.0, 3.0, 4.0, 2.0, 5.0, 4.0];
        let targets = one_hot(&[0, 0, 1, 1, 2, 2]);
        let logits = Logistic::fit(&rows, 2, &targets, 3, Loss::CrossEntropy, Penalty(2.0)).logits(&rows);
        for (logits, theirs) in logits.chunks(3).zip(THEIRS) {
            let ours = infer::probabilities(Loss::CrossEntropy, logits);
            assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-4), "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn with_sigmoids_what_is_not_known_trains_nothing() {
        let (rows, classes) = clouds(300, 3);
        let mut targets = one_hot(&classes);
        let whole = Logistic::fit(&rows[..600], 3, &targets[..600], 3, Loss::Binary, Penalty(1.0)).logits(&rows);
        // Of the last third nothing is known, whatever its rows are.
        targets[600..].fill(f32::NAN);
        let mut wrong = rows.clone();
        wrong[600..].iter_mut().for_each(|value| *value = 0.0);
        let part = Logistic::fit(&rows, 3, &targets, 3, Loss::Binary, Penalty(1.0)).logits(&rows);
        let signs = whole.iter().zip(&part).filter(|(a, b)| (**a > 0.0) == (**b > 0.0)).count();
        assert!(signs > 880, "{signs}");
    }
}
