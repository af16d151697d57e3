#include "textflag.h"

// The constants of Exp, and 127, the bias of an exponent.
DATA expConstants<>+0(SB)/4, $0xc2ae0000 // low -87.0
DATA expConstants<>+4(SB)/4, $0x3fb8aa3b // log2e 1.4426950408889634
DATA expConstants<>+8(SB)/4, $0x4b400000 // magic 12582912.0
DATA expConstants<>+12(SB)/4, $0x3f318000 // hi 0.693359375
DATA expConstants<>+16(SB)/4, $0x395e8083 // lo 0.00021219444
DATA expConstants<>+20(SB)/4, $0x39506967 // p0 0.000198756915
DATA expConstants<>+24(SB)/4, $0x3ab743ce // p1 0.0013981999507
DATA expConstants<>+28(SB)/4, $0x3c088908 // p2 0.0083334519073
DATA expConstants<>+32(SB)/4, $0x3d2aa9c1 // p3 0.041665795894
DATA expConstants<>+36(SB)/4, $0x3e2aaaaa // p4 0.16666665459
DATA expConstants<>+40(SB)/4, $0x3f000000 // p5 0.50000001201
DATA expConstants<>+44(SB)/4, $0x3f800000 // one 1.0
DATA expConstants<>+48(SB)/4, $127
GLOBL expConstants<>(SB), RODATA|NOPTR, $52

// func sumExpAVX2(xs *float32, n int, top float32, acc *float32)
// The operations of Exp in its order, eight numbers at a time, without fused products.
TEXT ·sumExpAVX2(SB), NOSPLIT, $0-32
	MOVQ xs+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS top+16(FP), Y15
	MOVQ acc+24(FP), DX
	VMOVUPS (DX), Y0
	VBROADCASTSS expConstants<>+0(SB), Y14
	VBROADCASTSS expConstants<>+4(SB), Y13
	VBROADCASTSS expConstants<>+8(SB), Y12
	VBROADCASTSS expConstants<>+12(SB), Y11
	VBROADCASTSS expConstants<>+16(SB), Y10
	VBROADCASTSS expConstants<>+20(SB), Y9
	VBROADCASTSS expConstants<>+24(SB), Y8
	VBROADCASTSS expConstants<>+28(SB), Y7
	VBROADCASTSS expConstants<>+32(SB), Y6
	VPBROADCASTD expConstants<>+48(SB), Y5

loop:
	VMOVUPS (SI), Y1
	VSUBPS  Y15, Y1, Y1 // x

	// n = x*log2e + magic - magic
	VMULPS Y13, Y1, Y2
	VADDPS Y12, Y2, Y2
	VSUBPS Y12, Y2, Y2

	// r = x - n*hi + n*lo
	VMULPS Y11, Y2, Y3
	VSUBPS Y3, Y1, Y3
	VMULPS Y10, Y2, Y4
	VADDPS Y4, Y3, Y3

	// 2^n
	VCVTTPS2DQ Y2, Y2
	VPADDD     Y5, Y2, Y2
	VPSLLD     $23, Y2, Y2

	// p
	VMULPS       Y3, Y9, Y4
	VADDPS       Y8, Y4, Y4
	VMULPS       Y3, Y4, Y4
	VADDPS       Y7, Y4, Y4
	VMULPS       Y3, Y4, Y4
	VADDPS       Y6, Y4, Y4
	VMULPS       Y3, Y4, Y4
	VBROADCASTSS expConstants<>+36(SB), Y10
	VADDPS       Y10, Y4, Y4
	VMULPS       Y3, Y4, Y4
	VBROADCASTSS expConstants<>+40(SB), Y10
	VADDPS       Y10, Y4, Y4
	VMULPS       Y3, Y4, Y4
	VMULPS       Y3, Y4, Y4
	VADDPS       Y3, Y4, Y4
	VBROADCASTSS expConstants<>+44(SB), Y10
	VADDPS       Y10, Y4, Y4
	VBROADCASTSS expConstants<>+16(SB), Y10
	VMULPS       Y2, Y4, Y4

	// nothing below -87
	VCMPPS $1, Y14, Y1, Y1 // x < -87
	VANDNPS Y4, Y1, Y4
	VADDPS Y4, Y0, Y0

	ADDQ $32, SI
	DECQ CX
	JNZ  loop

	VMOVUPS Y0, (DX)
	VZEROUPPER
	RET
