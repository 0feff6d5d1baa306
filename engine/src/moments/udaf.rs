use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility};

use super::accumulate::{Input, MomentsAccumulator};
use super::column::moments_type;

/// `moments(x1, …, xv)`: the moments of that many variables, each a float, over the rows of a group. At least one.
pub fn moments_udaf(variables: usize) -> AggregateUDF {
    let signature = Signature::exact(vec![DataType::Float64; variables], Volatility::Immutable);
    AggregateUDF::new_from_impl(MomentsFunction { name: "moments", input: Input::Rows, variables, signature })
}

/// `merge_moments(state)`: the moments over the rows of all the moments in a group.
pub fn merge_moments_udaf(variables: usize) -> AggregateUDF {
    let signature = Signature::exact(vec![moments_type(variables)], Volatility::Immutable);
    AggregateUDF::new_from_impl(MomentsFunction { name: "merge_moments", input: Input::Moments, variables, signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct MomentsFunction {
    name: &'static str,
    input: Input,
    variables: usize,
    signature: Signature,
}

impl AggregateUDFImpl for MomentsFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    // The state is the result, so the default of `state_fields`, one field of this type, is right.
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(moments_type(self.variables))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return plan_err!("`{}` has no DISTINCT", self.name);
        }
        Ok(Box::new(MomentsAccumulator::single(self.input, self.variables)))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(MomentsAccumulator::grouped(self.input, self.variables)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
