// Runs out of stack.  verdict: error 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        java.util.function.IntUnaryOperator[] deeper = new java.util.function.IntUnaryOperator[1];
        deeper[0] = n -> deeper[0].applyAsInt(n + 1) + 1;
        deeper[0].applyAsInt(0);
    }
}
