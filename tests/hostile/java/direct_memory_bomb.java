// guarantee: memory outside the heap is limited
// expect: error or timeout
import java.util.*;

class Solution {
    public int next(int n) {
        List<java.nio.ByteBuffer> hoard = new ArrayList<>();
        while (true) {
            hoard.add(java.nio.ByteBuffer.allocateDirect(1 << 26));
        }
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
