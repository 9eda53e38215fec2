// Does not compile.  verdict: invalid 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        int wanted = "4";
    }
}
