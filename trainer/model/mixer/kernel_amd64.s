#include "textflag.h"

// func gather8(offsets *int32, values *float32, n int, m, acc *float32)
TEXT ·gather8(SB), NOSPLIT, $0-40
	MOVQ offsets+0(FP), SI
	MOVQ values+8(FP), DI
	MOVQ n+16(FP), CX
	MOVQ m+24(FP), BX
	MOVQ acc+32(FP), DX
	VMOVUPS (DX), Y0

loop8:
	MOVL (SI), AX
	VBROADCASTSS (DI), Y4
	VMULPS (BX)(AX*4), Y4, Y5
	VADDPS Y5, Y0, Y0
	ADDQ $4, SI
	ADDQ $4, DI
	DECQ CX
	JNZ  loop8

	VMOVUPS Y0, (DX)
	VZEROUPPER
	RET

// func gather24(offsets *int32, values *float32, n int, m, acc *float32)
TEXT ·gather24(SB), NOSPLIT, $0-40
	MOVQ offsets+0(FP), SI
	MOVQ values+8(FP), DI
	MOVQ n+16(FP), CX
	MOVQ m+24(FP), BX
	MOVQ acc+32(FP), DX
	VMOVUPS (DX), Y0
	VMOVUPS 32(DX), Y1
	VMOVUPS 64(DX), Y2

loop24:
	MOVL (SI), AX
	VBROADCASTSS (DI), Y4
	VMULPS (BX)(AX*4), Y4, Y5
	VMULPS 32(BX)(AX*4), Y4, Y6
	VMULPS 64(BX)(AX*4), Y4, Y7
	VADDPS Y5, Y0, Y0
	VADDPS Y6, Y1, Y1
	VADDPS Y7, Y2, Y2
	ADDQ $4, SI
	ADDQ $4, DI
	DECQ CX
	JNZ  loop24

	VMOVUPS Y0, (DX)
	VMOVUPS Y1, 32(DX)
	VMOVUPS Y2, 64(DX)
	VZEROUPPER
	RET
