"""The offline suite's own world: a code domain, its benchmark and instruction data, and base models trained on it.

Everything is drawn from seeds. :mod:`spec` says what functions mean and which split a composition belongs to;
:mod:`english`, :mod:`code`, :mod:`bugs`, :mod:`defects`, :mod:`clones`, :mod:`security` and :mod:`perturb` are its
surface; :mod:`documents` and :mod:`benchmark` are what models read and are asked; :mod:`pretrain` makes the bases.
``python -m astraios_utils.nano`` writes ``data/nano`` again.
"""
