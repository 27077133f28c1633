//! The names of Python that a state dictionary may ask for. None is looked up: each stands for what is done here.

use super::format::Format;
use crate::pretrained::Read;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    /// `_rebuild_tensor(storage, offset, shape, strides, …)`, in all its versions.
    RebuildTensor,
    /// `_rebuild_tensor_v3(storage, offset, shape, strides, requires_grad, hooks, dtype, …)`: for formats without a
    /// storage class.
    RebuildTensorOf,
    /// `_rebuild_parameter(tensor, …)`: the tensor.
    RebuildParameter,
    /// `_rebuild_from_type_v2(function, type, arguments, state)`: the function's tensor.
    RebuildFromType,
    /// `torch.Size(tuple)`: the tuple.
    Size,
    Storage(Format),
    /// Its tensors say their format.
    UntypedStorage,
    Dtype(Format),
    /// Makes a value that no tensor depends on.
    Inert,
}

/// What `module.name` stands for; everything else is refused.
pub(super) fn global(module: &str, name: &str) -> Read<Global> {
    let format = |name: &str| Format::named(name);
    match (module, name) {
        ("collections", "OrderedDict") => Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_tensor_v3") => Ok(Global::RebuildTensorOf),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Ok(Global::RebuildParameter),
        ("torch._tensor", "_rebuild_from_type_v2") => Ok(Global::RebuildFromType),
        ("torch", "Size") => Ok(Global::Size),
        ("torch.storage", "UntypedStorage" | "_UntypedStorage") => Ok(Global::UntypedStorage),
        ("torch" | "torch._tensor", "Tensor")
        | ("torch.nn.parameter" | "torch.nn", "Parameter")
        | ("torch", "device")
        | ("_codecs", "encode")
        | ("builtins" | "__builtin__", "set" | "frozenset" | "complex" | "bytearray") => Ok(Global::Inert),
        ("torch" | "torch.cuda", _) => {
            let storage = name.strip_suffix("Storage").and_then(format).map(Global::Storage);
            storage.or_else(|| format(name).map(Global::Dtype)).ok_or_else(|| refusal(module, name))
        }
        _ => Err(refusal(module, name)),
    }
}

fn refusal(module: &str, name: &str) -> String {
    let advice = match (module, name) {
        ("torch._utils", "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor") => {
            "a sparse tensor, which is not read: save `tensor.to_dense()`"
        }
        ("torch._utils", "_rebuild_qtensor") => "a quantised tensor, which is not read: save `tensor.dequantize()`",
        _ if module.split('.').next() == Some("numpy") => {
            "a value of numpy, which does not belong in a plain state dictionary: save `float(value)` or \
             `torch.from_numpy(array)`"
        }
        _ => {
            "which does not belong in a plain state dictionary: save the weights alone, \
             `torch.save(model.state_dict(), path)`"
        }
    };
    format!("the file asks Python for `{module}.{name}`, {advice}; nothing of it was run")
}
