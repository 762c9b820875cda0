"""The ablation of the paper in miniature, on the synthetic heads.

rows.yaml says what is compared and what the paper claims, sizes/ how large; command.py runs it all.
"""
