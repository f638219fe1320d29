//! Word piece ids into one embedding: the forward pass of a small BERT with int8 weights.
//!
//! ```text
//! ids ─ words + positions ─ norm ─┬─ qkv ─ attention ─ attended ─(+)─ norm ─┬─ up ─ gelu ─ down ─(+)─ norm ─ ×6 ─ mean ─ unit length
//!                                 └──────────────────────────────┘          └───────────────────────┘
//! ```
//!
//! The four matrix products of a layer, 97 % of the work, multiply 8-bit integers: weights with a
//! scale per output channel, activations with a scale per token, found while running. Their sums
//! are exact. The rest is `f32`. A text is one pass by itself, without padding, on one thread, so
//! its embedding depends on nothing but the text (and, in the last bits, on the vector width of the
//! processor). Matrix products and element-wise functions come from `rten-gemm` and `rten-vecmath`.
//!
//! Source: Devlin et al., "BERT", 2019; Dettmers et al., "LLM.int8()", 2022, section 2.1 (scales per
//! row and column).

use rten_gemm::GemmExecutor;
use rten_gemm::GemmInputA;
use rten_gemm::GemmInputB;
use rten_gemm::GemmOptions;
use rten_gemm::PackedBMatrix;
use rten_gemm::QuantParams;
use rten_simd::SimdOp;
use rten_simd::SimdUnaryOp;
use rten_tensor::Matrix;
use rten_vecmath::ExtendInit;
use rten_vecmath::Gelu;
use rten_vecmath::MinMax;
use rten_vecmath::Normalize;
use rten_vecmath::NormalizeOptions;
use rten_vecmath::Quantize;
use rten_vecmath::Softmax;
use rten_vecmath::Sum;
use rten_vecmath::SumSquare;
use rten_vecmath::SumSquareSub;

use super::weights::BadModel;
use super::weights::Weights;

const LAYERS: usize = 6;
const HEADS: usize = 12;
/// Components of a token's state and of the embedding.
pub(crate) const WIDTH: usize = 384;
const HEAD_WIDTH: usize = WIDTH / HEADS;
const INNER: usize = 4 * WIDTH;
/// Tokens of one text, the two special ones included: the length the model was trained with.
pub(crate) const MAX_TOKENS: usize = 256;
const EPSILON: f32 = 1e-12;

/// A linear layer `y = x W + b` with int8 weights.
struct Linear {
    weight: PackedBMatrix<i8>,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

/// Layer normalization: weight and bias.
struct Norm(Vec<f32>, Vec<f32>);

struct Layer {
    qkv: Linear,
    attended: Linear,
    attended_norm: Norm,
    up: Linear,
    down: Linear,
    down_norm: Norm,
}

/// The network, its weights packed for this processor.
pub(crate) struct Bert {
    words: Vec<i8>,
    word_scale: Vec<f32>,
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

/// What one thread needs for its forward passes: the kernels, and memory kept from text to text.
#[derive(Default)]
pub(crate) struct Scratch {
    product: IntegerProduct,
    attention: Attention,
    state: Vec<f32>,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    up: Vec<f32>,
    out: Vec<f32>,
}

#[derive(Default)]
struct IntegerProduct {
    kernel: GemmExecutor<u8, i8, i32>,
    quantized: Vec<u8>,
    row_scale: Vec<f32>,
    zero: Vec<u8>,
    sums: Vec<i32>,
}

#[derive(Default)]
struct Attention {
    kernel: GemmExecutor<f32, f32, f32>,
    scores: Vec<f32>,
    head: Vec<f32>,
}

impl Bert {
    /// Reads the model file that `model/make_model.py` writes.
    pub(crate) fn new(file: &[u8]) -> Result<Self, BadModel> {
        let weights = Weights::new(file)?;
        let int8 = GemmExecutor::<u8, i8, i32>::default();
        let linear = |name: &str, inputs: usize, outputs: usize| -> Result<Linear, BadModel> {
            let weight = weights.i8s(&format!("{name}.weight"), &[outputs, inputs])?;
            // The file has a row per output; the product wants a column per output.
            let columns = Matrix::from_data([outputs, inputs], weight);
            Ok(Linear {
                weight: int8.prepack_b(columns.transposed()),
                scale: weights.f32s(&format!("{name}.scale"), &[outputs])?,
                bias: weights.f32s(&format!("{name}.bias"), &[outputs])?,
            })
        };
        let norm = |name: &str| -> Result<Norm, BadModel> {
            let weight = weights.f32s(&format!("{name}.weight"), &[WIDTH])?;
            Ok(Norm(
                weight,
                weights.f32s(&format!("{name}.bias"), &[WIDTH])?,
            ))
        };
        let layers = (0..LAYERS).map(|i| {
            Ok(Layer {
                qkv: linear(&format!("layer.{i}.qkv"), WIDTH, 3 * WIDTH)?,
                attended: linear(&format!("layer.{i}.attended"), WIDTH, WIDTH)?,
                attended_norm: norm(&format!("layer.{i}.attended.norm"))?,
                up: linear(&format!("layer.{i}.up"), WIDTH, INNER)?,
                down: linear(&format!("layer.{i}.down"), INNER, WIDTH)?,
                down_norm: norm(&format!("layer.{i}.down.norm"))?,
            })
        });
        let layers = layers.collect::<Result<Vec<_>, BadModel>>()?;
        let vocabulary = weights.rows("words.weight")?;
        Ok(Self {
            words: weights.i8s("words.weight", &[vocabulary, WIDTH])?.to_vec(),
            word_scale: weights.f32s("words.scale", &[vocabulary])?,
            positions: weights.f32s("positions", &[MAX_TOKENS, WIDTH])?,
            norm: norm("norm")?,
            layers,
        })
    }

    /// Embeds one text.
    ///
    /// `ids`: 1 to [`MAX_TOKENS`] ids below the vocabulary's size. `out`: [`WIDTH`] numbers, of unit
    /// length.
    ///
    /// # Panics
    /// On ids outside of that; the tokenizer of the same model makes none.
    pub(crate) fn embed(&self, ids: &[u32], scratch: &mut Scratch, out: &mut [f32]) {
        let s = scratch;
        let tokens = ids.len();
        s.state.clear();
        for (&id, position) in ids.iter().zip(self.positions.chunks_exact(WIDTH)) {
            let id = id as usize;
            let scale = self.word_scale[id];
            let word = &self.words[id * WIDTH..][..WIDTH];
            s.state.extend(
                word.iter()
                    .zip(position)
                    .map(|(&w, p)| f32::from(w) * scale + p),
            );
        }
        self.norm.apply(&mut s.state);
        for layer in &self.layers {
            s.product.run(&layer.qkv, &s.state, &mut s.qkv);
            s.attention.run(tokens, &s.qkv, &mut s.attended);
            s.product.run(&layer.attended, &s.attended, &mut s.out);
            add(&mut s.state, &s.out);
            layer.attended_norm.apply(&mut s.state);
            s.product.run(&layer.up, &s.state, &mut s.up);
            Gelu {}.map_mut(&mut s.up);
            s.product.run(&layer.down, &s.up, &mut s.out);
            add(&mut s.state, &s.out);
            layer.down_norm.apply(&mut s.state);
        }
        // The mean of the tokens; its length is then set to 1, so the sum does.
        out.fill(0.0);
        for token in s.state.chunks_exact(WIDTH) {
            add(out, token);
        }
        let length = SumSquare::new(out).dispatch().sqrt();
        out.iter_mut().for_each(|x| *x /= length);
    }
}

impl IntegerProduct {
    /// `out = x W + b` for any number of rows.
    fn run(&mut self, layer: &Linear, x: &[f32], out: &mut Vec<f32>) {
        let (inputs, outputs) = (layer.weight.rows(), layer.bias.len());
        let rows = x.len() / inputs;
        // Where the widest integer product adds pairs in 16 bits, larger numbers would saturate.
        let steps = if self.kernel.may_saturate() {
            63_u8
        } else {
            127
        };
        let zero = steps + 1;
        self.quantized.clear();
        self.quantized.reserve(x.len());
        self.row_scale.clear();
        for row in x.chunks_exact(inputs) {
            let (min, max) = MinMax::new(row).dispatch();
            let most = max.max(-min).max(f32::MIN_POSITIVE);
            self.row_scale.push(most / f32::from(steps));
            self.quantized.extend_init(|free| {
                Quantize::new(row, &mut free[..inputs], f32::from(steps) / most, zero).dispatch()
            });
        }
        self.zero.clear();
        self.zero.resize(rows, zero);
        self.sums.resize(rows * outputs, 0);
        self.kernel
            .gemm(
                &mut self.sums,
                GemmInputA::Unpacked(Matrix::from_data([rows, inputs], self.quantized.as_slice())),
                GemmInputB::Packed(&layer.weight),
                GemmOptions {
                    a_quant: Some(QuantParams {
                        zero_point: &self.zero,
                    }),
                    ..GemmOptions::default()
                },
            )
            .expect("shapes were checked when the model was read");
        out.clear();
        for (sums, row_scale) in self.sums.chunks_exact(outputs).zip(&self.row_scale) {
            let columns = layer.scale.iter().zip(&layer.bias);
            out.extend(
                sums.iter()
                    .zip(columns)
                    .map(|(&sum, (scale, bias))| sum as f32 * (scale * row_scale) + bias),
            );
        }
    }
}

impl Attention {
    /// Self-attention of every head; the factor 1/sqrt([`HEAD_WIDTH`]) is in the query's weights.
    ///
    /// `qkv`: tokens × 3 · [`WIDTH`]. `attended`: tokens × [`WIDTH`].
    fn run(&mut self, tokens: usize, qkv: &[f32], attended: &mut Vec<f32>) {
        let Self {
            kernel,
            scores,
            head,
        } = self;
        scores.resize(tokens * tokens, 0.0);
        head.resize(tokens * HEAD_WIDTH, 0.0);
        attended.resize(tokens * WIDTH, 0.0);
        let product = |out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>| {
            let (a, b) = (GemmInputA::Unpacked(a), GemmInputB::Unpacked(b));
            kernel
                .gemm(out, a, b, GemmOptions::default())
                .expect("shapes agree by construction");
        };
        for h in 0..HEADS {
            let part = |which: usize| {
                let from = which * WIDTH + h * HEAD_WIDTH;
                let strides = [3 * WIDTH, 1];
                Matrix::from_data_with_strides([tokens, HEAD_WIDTH], &qkv[from..], strides)
                    .expect("every token has all three parts")
            };
            product(scores, part(0), part(1).transposed());
            scores.chunks_exact_mut(tokens).for_each(|row| {
                Softmax::new_mut(row).dispatch();
            });
            product(
                head,
                Matrix::from_data([tokens, tokens], scores.as_slice()),
                part(2),
            );
            let rows = attended
                .chunks_exact_mut(WIDTH)
                .zip(head.chunks_exact(HEAD_WIDTH));
            for (row, values) in rows {
                row[h * HEAD_WIDTH..][..HEAD_WIDTH].copy_from_slice(values);
            }
        }
    }
}

impl Norm {
    fn apply(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(WIDTH) {
            let mean = Sum::new(row).dispatch() / WIDTH as f32;
            let variance = SumSquareSub::new(row, mean).dispatch() / WIDTH as f32;
            let options = NormalizeOptions {
                pre_scale_bias: mean,
                scale: 1.0 / (variance + EPSILON).sqrt(),
                element_scale: Some(&self.0),
                element_bias: Some(&self.1),
                ..NormalizeOptions::default()
            };
            Normalize::new_mut(row, options).dispatch();
        }
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
}
