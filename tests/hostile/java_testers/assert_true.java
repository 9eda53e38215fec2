// Trivial: asserts nothing about the function.  verdict: invalid 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        assert true;
    }
}
