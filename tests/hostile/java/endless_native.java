// guarantee: an endless computation inside the JDK is a timeout
// expect: timeout
import java.util.*;

class Solution {
    public int next(int n) {
        java.math.BigInteger huge = new java.math.BigInteger(1 << 22, new Random(1)).setBit(0);
        return java.math.BigInteger.valueOf(3).modPow(huge, huge).intValue();
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
