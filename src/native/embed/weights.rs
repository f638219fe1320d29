//! The model file (safetensors) as named tensors of known shapes.

use core::fmt;

use safetensors::Dtype;
use safetensors::SafeTensors;

/// The model file is not the one this program was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadModel {
    /// Not a safetensors file.
    Format,
    /// The file has no such tensor.
    Missing {
        /// Name of the tensor.
        tensor: String,
    },
    /// A tensor of another type or shape.
    Shape {
        /// Name of the tensor.
        tensor: String,
        /// What the network needs.
        expected: Vec<usize>,
        /// What the file has.
        got: Vec<usize>,
    },
    /// The tokenizer's description cannot be read.
    Tokenizer,
    /// The table of the static embedder is damaged.
    StaticWords,
}

impl fmt::Display for BadModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("embedding model: ")?;
        match self {
            Self::Format => f.write_str("the file is not in safetensors format"),
            Self::Missing { tensor } => write!(f, "tensor {tensor} is missing"),
            Self::Shape {
                tensor,
                expected,
                got,
            } => {
                write!(
                    f,
                    "tensor {tensor} has shape {got:?} or another type, expected {expected:?}"
                )
            }
            Self::Tokenizer => f.write_str("tokenizer.json cannot be read"),
            Self::StaticWords => f.write_str("static-words.bin cannot be read"),
        }?;
        f.write_str("; make it anew, see src/native/model/README.md")
    }
}

impl core::error::Error for BadModel {}

/// A parsed model file.
pub(crate) struct Weights<'a>(SafeTensors<'a>);

impl<'a> Weights<'a> {
    pub(crate) fn new(file: &'a [u8]) -> Result<Self, BadModel> {
        SafeTensors::deserialize(file)
            .map(Self)
            .map_err(|_| BadModel::Format)
    }

    fn tensor(&self, name: &str) -> Result<safetensors::tensor::TensorView<'a>, BadModel> {
        self.0.tensor(name).map_err(|_| BadModel::Missing {
            tensor: name.into(),
        })
    }

    fn bytes(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], BadModel> {
        let tensor = self.tensor(name)?;
        if tensor.dtype() != dtype || tensor.shape() != shape {
            let got = tensor.shape().to_vec();
            return Err(BadModel::Shape {
                tensor: name.into(),
                expected: shape.to_vec(),
                got,
            });
        }
        Ok(tensor.data())
    }

    /// The first dimension of a tensor.
    pub(crate) fn rows(&self, name: &str) -> Result<usize, BadModel> {
        Ok(self.tensor(name)?.shape().first().copied().unwrap_or(0))
    }

    pub(crate) fn i8s(&self, name: &str, shape: &[usize]) -> Result<&'a [i8], BadModel> {
        self.bytes(name, Dtype::I8, shape).map(bytemuck::cast_slice)
    }

    pub(crate) fn f32s(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, BadModel> {
        // Copied: the bytes are only aligned to what the file's header left.
        let bytes = self.bytes(name, Dtype::F32, shape)?;
        Ok(bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect())
    }
}
