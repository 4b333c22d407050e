// The gated delta rule, token by token: see gated_delta.cuh for who holds what. With `states`, the state before each chunk is left
// there for the backward pass.
#include "gated_delta.cuh"

extern "C" __global__ void __launch_bounds__(THREADS) gated_delta_forward(
    HeadRows<const Element> q, HeadRows<const Element> k, HeadRows<const Element> v, HeadRows<const float> g,
    HeadRows<const float> beta, HeadRows<Element> y, const float* initial, float* last, float* states, DeltaShape shape)
{
    after_earlier_launches();
    DeltaPlace place(shape, blockIdx.x);
    bool is_there = place.column < shape.value_size;
    Column state, key, query;
    load_state(state, initial, place.sequence, place, shape);
    for (int64 t = place.begin; t < place.end; t++)
    {
        int64 age = t - place.begin;
        if (states != nullptr && age % CHUNK == 0)
        {
            store_state(state, states, place.chunk + age / CHUNK, place, shape);
        }

        load_row(key, k.at(place.batch, t, place.key_head), place, shape);
        load_row(query, q.at(place.batch, t, place.key_head), place, shape);
        float value = is_there ? to_float(v.at(place.batch, t, place.head)[place.column]) : 0.f;
        scale_column(state, exp_of(*g.at(place.batch, t, place.head)));
        float error = value - column_product(state, key);
        add_to_column(state, key, *beta.at(place.batch, t, place.head) * error);
        float result = shape.scale * column_product(state, query);
        if (is_there && place.lane == 0)
        {
            y.at(place.batch, t, place.head)[place.column] = from_float<Element>(result);
        }
    }

    if (last != nullptr)
    {
        store_state(state, last, place.sequence, place, shape);
    }
}
