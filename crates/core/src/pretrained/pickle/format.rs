//! Number formats by the names that torch has for them.

use crate::pretrained::Read;
use crate::pretrained::element::ElementType;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pretrained) enum Format {
    Known(ElementType),
    Foreign(Foreign),
}

/// A format that is not read: such tensors are only passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pretrained) struct Foreign {
    pub name: &'static str,
    size: usize,
}

impl Format {
    /// Of `torch.float16` and its like, or of the first word of `HalfStorage` and its like.
    pub fn named(name: &str) -> Option<Self> {
        let foreign = |name, size| Self::Foreign(Foreign { name, size });
        Some(match name {
            "float32" | "float" | "Float" => Self::Known(ElementType::F32),
            "float16" | "half" | "Half" => Self::Known(ElementType::F16),
            "bfloat16" | "BFloat16" => Self::Known(ElementType::BF16),
            "float64" | "double" | "Double" => Self::Known(ElementType::F64),
            "int64" | "long" | "Long" => Self::Known(ElementType::I64),
            "float8_e4m3fn" => Self::Known(ElementType::F8E4M3),
            "float8_e5m2" => Self::Known(ElementType::F8E5M2),
            "uint8" | "Byte" => foreign("uint8", 1),
            "int8" | "Char" => foreign("int8", 1),
            "bool" | "Bool" => foreign("bool", 1),
            "int16" | "short" | "Short" => foreign("int16", 2),
            "int32" | "int" | "Int" => foreign("int32", 4),
            "uint16" => foreign("uint16", 2),
            "uint32" => foreign("uint32", 4),
            "uint64" => foreign("uint64", 8),
            "float8_e4m3fnuz" => foreign("float8_e4m3fnuz", 1),
            "float8_e5m2fnuz" => foreign("float8_e5m2fnuz", 1),
            "float8_e8m0fnu" => foreign("float8_e8m0fnu", 1),
            "float4_e2m1fn_x2" => foreign("float4_e2m1fn_x2", 1),
            "complex32" | "chalf" => foreign("complex32", 4),
            "complex64" | "cfloat" | "ComplexFloat" => foreign("complex64", 8),
            "complex128" | "cdouble" | "ComplexDouble" => foreign("complex128", 16),
            "qint8" | "QInt8" => foreign("qint8", 1),
            "quint8" | "QUInt8" => foreign("quint8", 1),
            "qint32" | "QInt32" => foreign("qint32", 4),
            _ => return None,
        })
    }

    pub fn size(self) -> usize {
        match self {
            Self::Known(element) => element.size(),
            Self::Foreign(format) => format.size,
        }
    }

    pub fn element(self) -> Read<ElementType> {
        match self {
            Self::Known(element) => Ok(element),
            Self::Foreign(format) => Err(format!("the number format {} is not supported", format.name)),
        }
    }
}
